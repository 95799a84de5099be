"""The commands of `dogfood`, one file each, and the options that they share."""
