"""Files, names and downloads, on which every other room builds."""
