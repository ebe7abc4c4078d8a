"""Files, names and downloads: what every other room stands on."""
