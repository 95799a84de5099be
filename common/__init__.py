"""What every part of the kit uses: the errors that users see, and the one policy for the way out."""
