"""Reports, all made from the rulings and the evidence: verdict.json first, everything else from it."""
