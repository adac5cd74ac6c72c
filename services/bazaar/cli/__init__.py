"""What anyone can check of a round without us, and what operators check of all of them."""
