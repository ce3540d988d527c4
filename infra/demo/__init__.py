"""The demonstration: a real retailer's year, turned into what the product's own services accept.

`README.md` beside this file says what is real and what is made up.
"""
