"""How the embedded model was made: pictures drawn by code, captions, a checker, and the training itself."""
