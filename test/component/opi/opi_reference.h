#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"

namespace xpu::testing {

namespace evpn = ::opi_api::network::evpn_gw::v1alpha1;

// What an agent without a switch would answer to OPI's calls, written down as plainly as possible: the oracle
// of random tests. Objects are kept as their specs, with names in the API's own dialect. Cards whose host may
// choose VLANs 0 and 100 to 199.
class OpiReference {
 public:
  using Code = absl::StatusCode;
  template <typename Spec>
  using Objects = std::map<std::string, Spec>;

  // `spec` and `asked` as the client wrote them. Claims count for bridge ports only.
  Code Create(const std::string& id, const evpn::VrfSpec& spec, int64_t claim);
  Code Create(const std::string& id, const evpn::LogicalBridgeSpec& spec, int64_t claim);
  Code Create(const std::string& id, const evpn::BridgePortSpec& spec, int64_t claim);
  Code Create(const std::string& id, const evpn::SviSpec& spec, int64_t claim);

  // `mask` may be empty, hold "*", "spec", what the agent alone sets, or KnownPaths().
  template <typename Spec>
  Code Update(const std::string& id, const Spec& asked, const std::vector<std::string>& mask,
              bool allow_missing, int64_t claim);

  Code Delete(const std::string& id, const evpn::VrfSpec*, int64_t claim);
  Code Delete(const std::string& id, const evpn::LogicalBridgeSpec*, int64_t claim);
  Code Delete(const std::string& id, const evpn::BridgePortSpec*, int64_t claim);
  Code Delete(const std::string& id, const evpn::SviSpec*, int64_t claim);

  const Objects<evpn::VrfSpec>& All(const evpn::VrfSpec*) const { return vrfs_; }
  const Objects<evpn::LogicalBridgeSpec>& All(const evpn::LogicalBridgeSpec*) const { return bridges_; }
  const Objects<evpn::BridgePortSpec>& All(const evpn::BridgePortSpec*) const { return ports_; }
  const Objects<evpn::SviSpec>& All(const evpn::SviSpec*) const { return svis_; }

  // Paths of an update mask that Update() can carry over, of `Spec`.
  template <typename Spec>
  static std::vector<std::string> KnownPaths();

 private:
  struct Claim {
    int64_t highest = 0;
    bool released = false;
  };

  Code Replace(const std::string& id, const evpn::VrfSpec& spec, int64_t claim);
  Code Replace(const std::string& id, const evpn::LogicalBridgeSpec& spec, int64_t claim);
  Code Replace(const std::string& id, const evpn::BridgePortSpec& spec, int64_t claim);
  Code Replace(const std::string& id, const evpn::SviSpec& spec, int64_t claim);
  // Against the other objects; specs are in the API's own dialect.
  Code Fits(const std::string& id, const evpn::VrfSpec& spec) const;
  Code Fits(const std::string& id, const evpn::LogicalBridgeSpec& spec) const;
  Code Fits(const std::string& id, const evpn::BridgePortSpec& spec) const;
  Code Fits(const std::string& id, const evpn::SviSpec& spec) const;
  bool VniIsTaken(uint32_t vni, const std::string& by_other_than) const;
  evpn::BridgePortSpec Resolved(const std::string& id, evpn::BridgePortSpec spec) const;
  // kOk, kAborted, or kAlreadyExists for what was given back before. `newer`: the claim voids what is there.
  Code OrderClaim(const std::string& id, int64_t claim, bool gives_back, bool* newer) const;
  template <typename Spec>
  Code CreateIn(Objects<Spec>* objects, const std::string& id, const Spec& spec);
  template <typename Spec>
  Code ReplaceIn(Objects<Spec>* objects, const std::string& id, const Spec& spec);

  Objects<evpn::VrfSpec> vrfs_;
  Objects<evpn::LogicalBridgeSpec> bridges_;
  Objects<evpn::BridgePortSpec> ports_;
  Objects<evpn::SviSpec> svis_;
  std::map<std::string, int64_t> port_claims_;
  std::map<std::string, Claim> claims_;
};

// The id in `name`, whose collection is called `own` in the API and `evpn` in OPI's EVPN bridge; empty if it
// is no such name.
std::string ReferenceId(absl::string_view name, absl::string_view own, absl::string_view evpn);

}  // namespace xpu::testing
