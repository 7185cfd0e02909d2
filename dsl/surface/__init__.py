"""From the tree back to text: both surfaces, with their comments."""
