"""Rules that take more than a few lines: functions over views that raise Broken with what was seen."""
