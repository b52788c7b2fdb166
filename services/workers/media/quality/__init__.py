"""Quality control: what ffmpeg's filters measure, what that means, and what is wrong with a container."""
