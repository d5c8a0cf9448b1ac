"""What happens in the background: the doorbell, the chat worker, the clock."""
