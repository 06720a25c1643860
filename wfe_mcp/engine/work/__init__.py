"""Work items: what there is to do in a project, the runs that do it, and what was decided about its architecture."""
