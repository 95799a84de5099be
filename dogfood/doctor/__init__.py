"""`dogfood doctor`: is this machine able to run the kit, and does a target serve what a run needs?"""
