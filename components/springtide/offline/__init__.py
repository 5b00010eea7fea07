"""The offline plan: a stack recorded, validated, priced, compared and shown without engine, cloud or account."""
