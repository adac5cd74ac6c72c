-- A bank asks by the referral's id alone (whose it is, is what it asks).
CREATE INDEX capital_referral_by_id ON capital_referral (referral_id);
