"""How accurate is this pretrained image classifier, really, and how sure are we?"""

__version__ = "0.1.0"
