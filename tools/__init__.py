"""Scripts that measure, study and calibrate; run from the root of the checkout."""
