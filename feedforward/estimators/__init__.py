"""scikit-learn shells of the feedforward engine; `feedforward` finds them in the files of this folder."""
