"""Training: classes of courses, who has a place in them, who attended, and who completed.

Owns: the catalogue (courses, fields, providers) and what people ask for; classes, and one training record per vendor
(invitations, places, waiting, attendance, results).
Publishes on lapak.training.events.v1: ClassDrafted, ClassOpened, ClassMoved, ClassCancelled and ClassFinished (keyed by
class); TrainingInvited, TrainingWaitlisted, TrainingEnrolled, TrainingWithdrawn, TrainingClassMoved,
TrainingClassCancelled, TrainingSessionNear, TrainingCompleted and TrainingNotCompleted (keyed by vendor: one gapless
sequence per training record).
TrainingDataErased answers VendorErased (keyed by erasure).
CourseListed and CourseWithdrawn (keyed by course), ProviderListed and ProviderWithdrawn (keyed by provider);
CourseRequested, TrainingTicketIssued, CertificateIssued and CertificateRevoked (keyed by vendor).
HelpCaseOpened, HelpCaseMoved, HelpCaseClosed, CapitalPacketSent and CapitalReferralMoved (keyed by vendor);
CapitalReferralAnswerRefused answers AnswerCapitalReferral (keyed by command), taken from lapak.training.commands.v1.
GraduationProposed, GraduationProposalWithdrawn, GraduationDecided, GraduationAppealed and GraduationRevoked (keyed by
vendor).
On lapak.training.contact.v1: OrganisationCard of providers and mentors.
Listens to lapak.vendor.events.v1: VendorRegistered, VendorCategoryChosen, VendorCategoryCleared, VendorCoached,
VendorCoachingEnded, VendorMoved, VendorMerged, VendorUnmerged, VendorErased, PartnerAgreementMade,
PartnerAgreementEnded, EnrolmentChanged, ConsentGiven, ConsentWithdrawn, DocumentVerified, DocumentLapsed,
DocumentRejected, DocumentReturned, VendorKindChosen, IndicatorsReported.
To lapak.bazaar.events.v1: what is told of booths, which may clash with sessions. To
lapak.vendor.contact.v1: of a ContactCard the name is kept, sealed, for certificates.
"""
