"""What a generated file says of itself: prompt, generator, Content Credentials. Never raises."""
