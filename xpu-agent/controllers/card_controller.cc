#include "xpu-agent/controllers/card_controller.h"

#include <utility>

#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/change_object.h"
#include "common/kube/metadata.h"
#include "xpu/api/v1alpha1/card.pb.h"

namespace xpu {
namespace {

const ResourceKind& Kind() { return api::KindOf<api::v1alpha1::Card>().resource; }

}  // namespace

std::optional<IpAddress> TunnelEndOf(const Resource& card) {
  if (IsBeingDeleted(card) || GetCondition(card, "Ready").status != "True") return std::nullopt;
  const absl::StatusOr<api::v1alpha1::Card> decoded = api::Decode<api::v1alpha1::Card>(card);
  if (!decoded.ok() || decoded->spec().drained()) return std::nullopt;
  const absl::StatusOr<IpAddress> vtep = IpAddress::Parse(decoded->status().vtep());
  if (!vtep.ok() || !vtep->IsUnicast()) return std::nullopt;
  return *vtep;
}

absl::Status CardController::Reconcile(const ResourceName& name) {
  if (name != name_) return absl::OkStatus();
  std::optional<Resource> card = deps_.get(name_);
  if (!card.has_value()) {
    absl::StatusOr<Resource> made = deps_.store->Create(Kind(), MakeResource(Kind(), name_));
    if (absl::IsAlreadyExists(made.status())) made = deps_.store->Get(Kind(), name_);
    XPU_RETURN_IF_ERROR(made.status());
    card = *std::move(made);
  }
  const absl::Status written =
      ChangeObject(*deps_.store, Kind(), *card, ObjectPart::kStatus, [&](Resource* object) {
        const Resource before = *object;
        (*object)["status"]["vtep"] = vtep_.ToString();
        SetCondition(object,
                     {.type = "Ready",
                      .status = "True",
                      .reason = "AgentServes",
                      .message = "",
                      .observed_generation = GenerationOf(*object)},
                     deps_.clock->Now());
        return *object != before;
      }).status();
  // Deleted at this moment: its event brings it back here.
  return absl::IsNotFound(written) ? absl::OkStatus() : written;
}

}  // namespace xpu
