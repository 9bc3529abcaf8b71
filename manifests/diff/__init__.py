"""What two manifests differ in, row by row and field by field, and the likeliest cause."""
