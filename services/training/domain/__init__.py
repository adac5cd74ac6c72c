"""Rules of training, by what they are about. Pure: ids and days are arguments; days are calendar days in Jakarta."""
