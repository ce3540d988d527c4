"""ABC classes, due dates and tasks of counting."""
