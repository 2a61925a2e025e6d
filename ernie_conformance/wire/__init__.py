"""What went over the wire: requests, answers, their bytes and their times. Nothing here judges."""
