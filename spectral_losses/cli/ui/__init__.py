"""What the commands share: options, the console, progress, pictures and errors."""
