#include "xpu-agent/controllers/block_controller.h"

#include <algorithm>
#include <functional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu/api/v1alpha1/address_block.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu {
namespace {

using api::v1alpha1::AddressBlock;
using api::v1alpha1::Network;

// Addresses of a block, as a power of two, at most.
constexpr int kMaxBits4 = 4;
constexpr int kMaxBits6 = 8;

const ResourceKind& Kind() { return api::KindOf<AddressBlock>().resource; }

struct Parsed {
  ResourceName network;
  IpPrefix prefix;
};

std::optional<Parsed> Parse(const Resource& object) {
  const absl::StatusOr<AddressBlock> block = api::Decode<AddressBlock>(object);
  if (!block.ok()) return std::nullopt;
  const absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(block->spec().prefix());
  if (!prefix.ok()) return std::nullopt;
  return Parsed{{NameOf(object).ns, block->spec().network()}, *prefix};
}

IpPrefix NthBlock(const IpPrefix& prefix, int length, absl::uint128 n) {
  const int shift = prefix.address().bits() - length;
  return IpPrefix::Of(IpAddress(prefix.family(), prefix.address().value() + (n << shift)), length);
}

}  // namespace

int BlockLengthOf(const IpPrefix& prefix) {
  const int host_bits = prefix.address().bits() - prefix.length();
  const int most = prefix.family() == IpFamily::kV4 ? kMaxBits4 : kMaxBits6;
  return prefix.address().bits() - std::min(most, host_bits / 3);
}

IpPrefix BlockAround(const IpPrefix& prefix, const IpAddress& address) {
  return IpPrefix::Of(address, BlockLengthOf(prefix));
}

std::string BlockName(const std::string& network, const IpPrefix& block) {
  return absl::StrCat(network, ".", absl::BytesToHexString(block.address().ToBytes()), "-", block.length());
}

void BlockController::Add(const Resource& object) {
  const std::optional<Parsed> block = Parse(object);
  if (!block.has_value()) return;
  absl::MutexLock lock(&mu_);
  blocks_[block->network][block->prefix] = {NameOf(object), UidOf(object)};
}

void BlockController::Remove(const Resource& object) {
  const std::optional<Parsed> block = Parse(object);
  if (!block.has_value()) return;
  absl::MutexLock lock(&mu_);
  Blocks& blocks = blocks_[block->network];
  // News of one that has been claimed again since says nothing about that.
  const auto held = blocks.find(block->prefix);
  if (held != blocks.end() && held->second.uid == UidOf(object)) blocks.erase(held);
}

void BlockController::SetUses(const ResourceName& network, int uses) {
  absl::MutexLock lock(&mu_);
  if (uses > 0) {
    uses_[network] = uses;
  } else {
    uses_.erase(network);
    deps_.enqueue(network);
  }
}

std::vector<IpPrefix> BlockController::BlocksOf(const ResourceName& network) const {
  absl::MutexLock lock(&mu_);
  std::vector<IpPrefix> blocks;
  const auto known = blocks_.find(network);
  if (known == blocks_.end()) return blocks;
  for (const auto& [prefix, held] : known->second) blocks.push_back(prefix);
  return blocks;
}

absl::Status BlockController::TellBlocks(const ResourceName& network, const std::vector<IpPrefix>& blocks) {
  agent::v1::SetAddressBlocksRequest request;
  request.set_logical_bridge(LogicalBridgeName(NetworkController::BridgeId(network)));
  for (const IpPrefix& block : blocks) request.add_blocks(block.ToString());
  const absl::Status told = deps_.opi->SetAddressBlocks(request);
  // Another vendor's agent has addresses of its own.
  return absl::IsUnimplemented(told) ? absl::OkStatus() : told;
}

absl::Status BlockController::Tell(const ResourceName& network) {
  absl::MutexLock lock(&tell_mu_);
  return TellBlocks(network, BlocksOf(network));
}

void BlockController::Want(const ResourceName& network, const std::string& need,
                           std::function<void(const absl::Status&)> done) {
  {
    absl::MutexLock lock(&mu_);
    if (!stopped_) {
      wanted_[network].push_back({need, std::move(done)});
      deps_.enqueue(network);
      return;
    }
  }
  done(absl::UnavailableError("the agent is stopping; try again"));
}

void BlockController::Known() {
  absl::MutexLock lock(&mu_);
  for (const auto& [network, wanted] : wanted_) deps_.enqueue(network);
}

void BlockController::Stop() {
  std::map<ResourceName, std::vector<Wanted>> left;
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    left.swap(wanted_);
  }
  for (const auto& [network, all] : left) {
    for (const Wanted& wanted : all) wanted.done(absl::UnavailableError("the agent is stopping; try again"));
  }
}

absl::Status BlockController::Reconcile(const ResourceName& network) {
  if (!deps_.known()) return absl::OkStatus();
  std::vector<Wanted> all;
  {
    absl::MutexLock lock(&mu_);
    if (const auto wanted = wanted_.find(network); wanted != wanted_.end()) {
      all = std::move(wanted->second);
      wanted_.erase(wanted);
    } else if (!uses_.contains(network)) {
      const auto known = blocks_.find(network);
      if (known == blocks_.end() || known->second.empty()) return absl::OkStatus();
    }
  }
  if (all.empty()) {
    bool used = false;
    {
      absl::MutexLock lock(&mu_);
      used = uses_.contains(network);
    }
    const absl::Status status = used ? Tell(network) : GiveBack(network);
    // No bridge yet, or no more: it is told when there is one.
    return absl::IsNotFound(status) ? absl::OkStatus() : status;
  }
  // Who came at the same time with the same need shares one block; one that is too small for all is asked for
  // again.
  std::map<std::string, absl::Status> outcomes;
  for (const Wanted& wanted : all) outcomes.emplace(wanted.need, absl::OkStatus());
  bool any = false;
  for (auto& [need, outcome] : outcomes) {
    outcome = Claim(network, need);
    any |= outcome.ok();
  }
  const absl::Status told = any ? Tell(network) : absl::OkStatus();
  for (const Wanted& wanted : all) {
    const absl::Status& outcome = outcomes[wanted.need];
    wanted.done(outcome.ok() ? told : outcome);
  }
  return absl::OkStatus();
}

absl::Status BlockController::Take(const ResourceName& network, const IpPrefix& block) {
  const ResourceName name{network.ns, BlockName(network.name, block)};
  Resource object = MakeResource(Kind(), name);
  object["spec"] = {{"network", network.name}, {"prefix", block.ToString()}, {"card", deps_.card}};
  absl::StatusOr<Resource> there = deps_.store->Create(Kind(), object);
  if (absl::IsAlreadyExists(there.status())) {
    there = deps_.store->Get(Kind(), name);
    XPU_RETURN_IF_ERROR(there.status());
    const std::string owner = there->contains("spec") ? (*there)["spec"].value("card", "") : "";
    // Of an earlier life of this agent.
    if (owner != deps_.card) {
      return absl::AlreadyExistsError(absl::StrCat("addresses ", block.ToString(), " of Network ",
                                                   network.ToString(), " belong to card ", owner));
    }
  }
  XPU_RETURN_IF_ERROR(there.status());
  absl::MutexLock lock(&mu_);
  blocks_[network][block] = {name, UidOf(*there)};
  return absl::OkStatus();
}

absl::Status BlockController::Claim(const ResourceName& network, const std::string& need) {
  const std::optional<Resource> object = deps_.get_network(network);
  if (!object.has_value())
    return absl::NotFoundError(absl::StrCat("there is no Network ", network.ToString()));
  XPU_ASSIGN_OR_RETURN(const Network spec, api::Decode<Network>(*object));
  std::vector<IpPrefix> prefixes;
  for (const std::string& text : spec.spec().prefixes()) {
    XPU_ASSIGN_OR_RETURN(const IpPrefix prefix, IpPrefix::Parse(text));
    prefixes.push_back(prefix);
  }
  if (const absl::StatusOr<IpAddress> address = IpAddress::Parse(need); address.ok()) {
    for (const IpPrefix& prefix : prefixes) {
      if (prefix.Contains(*address)) {
        return Annotate(Take(network, BlockAround(prefix, *address)),
                        absl::StrCat("address ", address->ToString(), ": ask for another one, or for none"));
      }
    }
    return absl::InvalidArgumentError(absl::StrCat(need, " is in no prefix of Network ", network.ToString()));
  }
  std::set<IpPrefix> taken;
  XPU_ASSIGN_OR_RETURN(
      const ResourceList listed,
      deps_.store->List(Kind(), network.ns, {.field_selector = "spec.network=" + network.name}));
  for (const Resource& block : listed.items) {
    if (const std::optional<Parsed> parsed = Parse(block)) taken.insert(parsed->prefix);
  }
  const IpFamily family = need == "IPv6" ? IpFamily::kV6 : IpFamily::kV4;
  for (const IpPrefix& prefix : prefixes) {
    if (prefix.family() != family) continue;
    const int length = BlockLengthOf(prefix);
    const absl::uint128 count = absl::uint128(1) << (length - prefix.length());
    // Cards begin at different places, so that they rarely want the same.
    const absl::uint128 start = std::hash<std::string>()(deps_.card) % count;
    // Each step that finds a block taken meets another one that is listed.
    const absl::uint128 steps = std::min<absl::uint128>(count, taken.size() + 64);
    for (absl::uint128 step = 0; step < steps; ++step) {
      const IpPrefix block = NthBlock(prefix, length, (start + step) % count);
      if (taken.contains(block)) continue;
      const absl::Status took = Take(network, block);
      if (took.ok()) spdlog::info("took addresses {} of Network {}", block.ToString(), network.ToString());
      if (!absl::IsAlreadyExists(took)) return took;
    }
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("all ", need, " addresses of Network ", network.ToString(),
                   " belong to cards: add a prefix to it, or detach the last pod of a card"));
}

absl::Status BlockController::GiveBack(const ResourceName& network) {
  absl::MutexLock tell_lock(&tell_mu_);
  Blocks blocks;
  {
    absl::MutexLock lock(&mu_);
    blocks = blocks_[network];
  }
  // First the agent, which refuses while an address is in use: a change of its ports brings this back here.
  const absl::Status told = TellBlocks(network, {});
  if (absl::IsFailedPrecondition(told)) return absl::OkStatus();
  if (!told.ok() && !absl::IsNotFound(told)) return told;
  for (const auto& [prefix, held] : blocks) {
    const absl::Status deleted = deps_.store->Delete(Kind(), held.name);
    if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
    absl::MutexLock lock(&mu_);
    blocks_[network].erase(prefix);
  }
  return absl::OkStatus();
}

}  // namespace xpu
