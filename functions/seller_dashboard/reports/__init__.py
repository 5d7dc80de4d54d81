"""What is made of the projections: metrics, CSV exports, weekly reports and daily checks."""
