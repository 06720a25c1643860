"""How are models asked? The only package that loads the SDKs of model vendors, each inside the function that needs it."""
