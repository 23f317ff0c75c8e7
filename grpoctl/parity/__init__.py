"""Do both engines compute the same from the same recipe?"""
