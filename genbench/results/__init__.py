"""What lies in the results folder: paths, file formats, tables; the one owner of their names."""
