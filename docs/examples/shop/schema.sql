-- Names of columns say which field of the context they are: card_number is card.number of orders/<id>.
CREATE TABLE IF NOT EXISTS orders (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  placed       TEXT NOT NULL,
  item         TEXT NOT NULL,
  cents        INTEGER NOT NULL,
  -- sealed: tokens, which nobody but the appliance opens
  card_number  TEXT NOT NULL,
  address_rest TEXT NOT NULL,
  phone_number TEXT NOT NULL,
  -- readable: what the shop searches and shows by (docs/records.md)
  card_brand   TEXT NOT NULL,
  card_last4   TEXT NOT NULL,
  card_expiry  TEXT NOT NULL,
  postal_code  TEXT NOT NULL,
  country      TEXT NOT NULL
);
