"""What the pages on this machine share: who may ask (`guard`), where they are served (`server`), how they look (`static/`)."""
