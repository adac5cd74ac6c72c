"""Training: classes of courses, who has a place in them, who attended, and who completed.

Owns: classes, and one training record per vendor (invitations, enrolments, attendance, results).
Publishes on lapak.training.events.v1: ClassOpened (keyed by class); TrainingInvited, TrainingEnrolled,
TrainingCompleted and TrainingNotCompleted (keyed by vendor: one gapless sequence per training record).
TrainingDataErased answers VendorErased (keyed by erasure).
Listens to lapak.vendor.events.v1: VendorRegistered, VendorCategoryChosen, VendorCategoryCleared, VendorCoached,
VendorCoachingEnded, VendorMoved, VendorMerged, VendorUnmerged, VendorErased.
"""
