"""Blocks that supernets and networks share."""
