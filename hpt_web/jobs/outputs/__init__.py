"""What trials leave behind: what of it is kept, and how it is fetched."""
