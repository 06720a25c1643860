"""What only the dashboard's pages show."""
