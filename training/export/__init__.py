"""A trained adapter in the forms that others load: PEFT, a merged model, an Orbax checkpoint."""
