-- The figures of a vendor that count, told by the index alone: statistics of a small area ask each of its vendors.
CREATE UNIQUE INDEX indicator_counts ON indicator_report (vendor_id, month)
    INCLUDE (turnover_rupiah, assets_rupiah, workers) WHERE replaced_at IS NULL;
DROP INDEX indicator_counts_once;
