#include "xpu-agent/controllers/block_controller.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/metadata.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu/api/v1alpha1/address_block.pb.h"
#include "xpu/api/v1alpha1/card.pb.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu {
namespace {

using api::v1alpha1::AddressBlock;
using api::v1alpha1::Network;

// Addresses of a block, as a power of two, at most.
constexpr int kMaxBits4 = 4;
constexpr int kMaxBits6 = 8;
// Annotations of an AddressBlock. Addresses that its card has cut out of it, separated by commas.
constexpr char kLent[] = "xpu.opiproject.org/lent";
// With an address in hexadecimal behind: the card that asks for it.
constexpr char kWanted[] = "xpu.opiproject.org/wanted-";

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

Resource AnnotationsOf(const Resource& block) {
  return block.value(nlohmann::json::json_pointer("/metadata/annotations"), Resource::object());
}

std::set<IpAddress> LentOf(const Resource& block) {
  std::set<IpAddress> lent;
  const Resource annotations = AnnotationsOf(block);
  if (!annotations.contains(kLent) || !annotations[kLent].is_string()) return lent;
  for (const absl::string_view text :
       absl::StrSplit(annotations[kLent].get<std::string>(), ',', absl::SkipEmpty())) {
    if (const absl::StatusOr<IpAddress> address = IpAddress::Parse(text); address.ok()) lent.insert(*address);
  }
  return lent;
}

std::string LentText(const std::set<IpAddress>& lent) {
  return absl::StrJoin(lent, ",", [](std::string* out, const IpAddress& a) { out->append(a.ToString()); });
}

std::string WantedKey(const IpAddress& address) {
  return absl::StrCat(kWanted, absl::BytesToHexString(address.ToBytes()));
}

IpPrefix Alone(const IpAddress& address) { return IpPrefix::Of(address, address.bits()); }

std::string CardOf(const Resource& object) {
  return object.value(nlohmann::json::json_pointer("/spec/card"), "");
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

std::vector<IpPrefix> BlockWithout(const IpPrefix& block, const std::set<IpAddress>& out) {
  const auto first = out.lower_bound(block.First());
  if (first == out.end() || !block.Contains(*first)) return {block};
  if (block.length() == block.address().bits()) return {};
  std::vector<IpPrefix> parts;
  for (const int half : {0, 1}) {
    for (const IpPrefix& part : BlockWithout(NthBlock(block, block.length() + 1, half), out))
      parts.push_back(part);
  }
  return parts;
}

std::string BlockName(const std::string& network, const IpPrefix& block) {
  return absl::StrCat(network, ".", absl::BytesToHexString(block.address().ToBytes()), "-", block.length());
}

void BlockController::Add(const Resource& object) {
  const std::optional<Parsed> block = Parse(object);
  if (!block.has_value()) return;
  absl::MutexLock lock(&mu_);
  Held& held = blocks_[block->network][block->prefix];
  // What was lent is not taken back, so what is known of this object may only be more than its news say.
  if (held.uid != UidOf(object)) held = {NameOf(object), UidOf(object), {}};
  held.lent.merge(LentOf(object));
  const Resource annotations = AnnotationsOf(object);
  for (const auto& [key, card] : annotations.items()) {
    absl::string_view hex = key;
    if (!absl::ConsumePrefix(&hex, kWanted) || !card.is_string()) continue;
    const absl::StatusOr<IpAddress> address = IpAddress::FromBytes(absl::HexStringToBytes(hex));
    if (!address.ok() || !block->prefix.Contains(*address)) continue;
    asked_of_us_[block->network].push_back({*address, card.get<std::string>()});
    deps_.enqueue(block->network);
  }
  // One that was asked for, and has come.
  const auto asked = asked_.find(block->network);
  if (asked == asked_.end()) return;
  const auto has_come = [&](const Wanted& wanted) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(wanted.need);
    return address.ok() && block->prefix.Contains(*address);
  };
  const auto come = std::stable_partition(asked->second.begin(), asked->second.end(), std::not_fn(has_come));
  if (come == asked->second.end()) return;
  std::move(come, asked->second.end(), std::back_inserter(wanted_[block->network]));
  asked->second.erase(come, asked->second.end());
  deps_.enqueue(block->network);
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

void BlockController::PortsChanged(const ResourceName& network) {
  absl::MutexLock lock(&mu_);
  if (!uses_.contains(network)) deps_.enqueue(network);
}

std::vector<IpPrefix> BlockController::BlocksOf(const ResourceName& network) const {
  absl::MutexLock lock(&mu_);
  std::vector<IpPrefix> blocks;
  const auto known = blocks_.find(network);
  if (known == blocks_.end()) return blocks;
  for (const auto& [prefix, held] : known->second) {
    for (const IpPrefix& part : BlockWithout(prefix, held.lent)) blocks.push_back(part);
  }
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
    for (auto& [network, asked] : asked_) {
      std::move(asked.begin(), asked.end(), std::back_inserter(left[network]));
    }
    asked_.clear();
  }
  for (const auto& [network, all] : left) {
    for (const Wanted& wanted : all) wanted.done(absl::UnavailableError("the agent is stopping; try again"));
  }
}

absl::Status BlockController::Reconcile(const ResourceName& network) {
  if (!deps_.known()) return absl::OkStatus();
  std::vector<Wanted> all;
  std::vector<AskedOfUs> asked_of_us;
  bool used = false;
  bool has_blocks = false;
  {
    absl::MutexLock lock(&mu_);
    if (const auto wanted = wanted_.extract(network); !wanted.empty()) all = std::move(wanted.mapped());
    if (const auto asked = asked_of_us_.extract(network); !asked.empty())
      asked_of_us = std::move(asked.mapped());
    used = uses_.contains(network);
    const auto known = blocks_.find(network);
    has_blocks = known != blocks_.end() && !known->second.empty();
  }
  for (const AskedOfUs& asked : asked_of_us) {
    const absl::Status lent = Lend(network, asked);
    if (!lent.ok()) spdlog::warn("{} asks for {}: {}", asked.card, asked.address.ToString(), lent.ToString());
  }
  if (all.empty()) {
    if (!used && !has_blocks) return absl::OkStatus();
    const absl::Status status = used ? Tell(network) : GiveBack(network);
    // No bridge yet, or no more: it is told when there is one.
    return absl::IsNotFound(status) ? absl::OkStatus() : status;
  }
  // Who came at the same time with the same need shares one block; one that is too small for all is asked for
  // again.
  std::map<std::string, absl::StatusOr<bool>> outcomes;
  for (const Wanted& wanted : all) outcomes.emplace(wanted.need, false);
  bool any = false;
  for (auto& [need, outcome] : outcomes) {
    outcome = Claim(network, need);
    any |= outcome.ok() && *outcome;
  }
  const absl::Status told = any ? Tell(network) : absl::OkStatus();
  for (Wanted& wanted : all) {
    const absl::StatusOr<bool>& outcome = outcomes.at(wanted.need);
    if (outcome.ok() && !*outcome) {
      absl::MutexLock lock(&mu_);
      deps_.later(deps_.patience, [this, network, need = wanted.need] { GiveUp(network, need); });
      asked_[network].push_back(std::move(wanted));
      continue;
    }
    wanted.done(outcome.ok() ? told : outcome.status());
  }
  return absl::OkStatus();
}

void BlockController::GiveUp(const ResourceName& network, const std::string& need) {
  std::vector<Wanted> given_up;
  {
    absl::MutexLock lock(&mu_);
    std::vector<Wanted>& asked = asked_[network];
    const auto last = std::stable_partition(asked.begin(), asked.end(),
                                            [&need](const Wanted& wanted) { return wanted.need != need; });
    std::move(last, asked.end(), std::back_inserter(given_up));
    asked.erase(last, asked.end());
  }
  for (const Wanted& wanted : given_up) {
    wanted.done(absl::AlreadyExistsError(absl::StrCat("address ", need, " lies in a block of Network ",
                                                      network.ToString(), " that belongs to another card (",
                                                      "AddressBlock), which does not let go of it: a port "
                                                      "there has it, or that card's agent is away; ask for "
                                                      "another one, or for none")));
  }
}

absl::Status BlockController::Lend(const ResourceName& network, const AskedOfUs& asked) {
  absl::MutexLock tell_lock(&tell_mu_);
  std::optional<Held> held;
  {
    absl::MutexLock lock(&mu_);
    for (auto& [prefix, block] : blocks_[network]) {
      if (!prefix.Contains(asked.address)) continue;
      block.lent.insert(asked.address);
      held = block;
    }
  }
  // Given back meanwhile.
  if (!held.has_value()) return absl::OkStatus();
  // First the agent, which refuses if a port has it.
  const absl::Status told = TellBlocks(network, BlocksOf(network));
  Resource annotations = {{WantedKey(asked.address), nullptr}};
  if (told.ok() || absl::IsNotFound(told)) {
    annotations[kLent] = LentText(held->lent);
  } else {
    absl::MutexLock lock(&mu_);
    for (auto& [prefix, block] : blocks_[network]) block.lent.erase(asked.address);
  }
  // Then it is written down, so that it stays cut out after a restart too; only then somebody else may have
  // it.
  XPU_RETURN_IF_ERROR(deps_.store
                          ->Patch(Kind(), held->name, PatchType::kMerge,
                                  {{"metadata", {{"annotations", std::move(annotations)}}}})
                          .status());
  if (!told.ok() && !absl::IsNotFound(told)) return told;
  const IpPrefix alone = Alone(asked.address);
  Resource object = MakeResource(Kind(), {network.ns, BlockName(network.name, alone)});
  object["spec"] = {{"network", network.name}, {"prefix", alone.ToString()}, {"card", asked.card}};
  const absl::Status made = deps_.store->Create(Kind(), object).status();
  if (!absl::IsAlreadyExists(made)) return made;
  // It was lent before. A card that is there keeps it, and the one that asks is told so when its patience
  // ends.
  XPU_ASSIGN_OR_RETURN(const Resource there, deps_.store->Get(Kind(), NameOf(object)));
  if (CardOf(there) == asked.card) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(const bool reclaimed, Reclaim(network, there));
  return reclaimed ? deps_.store->Create(Kind(), object).status() : absl::OkStatus();
}

absl::StatusOr<std::set<IpAddress>> BlockController::LeftByOthers(const ResourceName& network,
                                                                  const IpPrefix& block) {
  std::set<IpAddress> left;
  if (block.length() == block.address().bits()) return left;
  XPU_ASSIGN_OR_RETURN(
      const ResourceList listed,
      deps_.store->List(Kind(), network.ns, {.field_selector = "spec.network=" + network.name}));
  for (const Resource& object : listed.items) {
    const std::optional<Parsed> other = Parse(object);
    const bool is_inside = other.has_value() && other->prefix.length() > block.length() &&
                           block.Contains(other->prefix.address());
    if (is_inside && CardOf(object) != deps_.card) left.insert(other->prefix.address());
  }
  return left;
}

absl::Status BlockController::Take(const ResourceName& network, const IpPrefix& block, std::string* owner) {
  const ResourceName name{network.ns, BlockName(network.name, block)};
  Resource object = MakeResource(Kind(), name);
  object["spec"] = {{"network", network.name}, {"prefix", block.ToString()}, {"card", deps_.card}};
  absl::StatusOr<Resource> there = deps_.store->Create(Kind(), object);
  if (absl::IsAlreadyExists(there.status())) {
    there = deps_.store->Get(Kind(), name);
    XPU_RETURN_IF_ERROR(there.status());
    if (CardOf(*there) != deps_.card) {
      XPU_ASSIGN_OR_RETURN(const bool reclaimed, Reclaim(network, *there));
      if (reclaimed) there = deps_.store->Create(Kind(), object);
    }
    // Another one was quicker.
    if (absl::IsAlreadyExists(there.status())) there = deps_.store->Get(Kind(), name);
    XPU_RETURN_IF_ERROR(there.status());
    // Else it is of an earlier life of this agent.
    if (const std::string card = CardOf(*there); card != deps_.card) {
      if (owner != nullptr) *owner = card;
      return absl::AlreadyExistsError(absl::StrCat("addresses ", block.ToString(), " of Network ",
                                                   network.ToString(), " belong to card ", card));
    }
  }
  XPU_RETURN_IF_ERROR(there.status());
  std::set<IpAddress> lent = LentOf(*there);
  XPU_ASSIGN_OR_RETURN(std::set<IpAddress> left, LeftByOthers(network, block));
  lent.merge(left);
  if (lent != LentOf(*there)) {
    XPU_RETURN_IF_ERROR(deps_.store
                            ->Patch(Kind(), name, PatchType::kMerge,
                                    {{"metadata", {{"annotations", {{kLent, LentText(lent)}}}}}})
                            .status());
  }
  absl::MutexLock lock(&mu_);
  Held& held = blocks_[network][block];
  if (held.uid != UidOf(*there)) held = {name, UidOf(*there), {}};
  held.lent.merge(lent);
  return absl::OkStatus();
}

absl::StatusOr<bool> BlockController::IsGone(const ResourceName& network, const std::string& card) {
  // As its agent makes it again for as long as it lives, and its ports may only be out of reach.
  const absl::Status there =
      deps_.store->Get(api::KindOf<api::v1alpha1::Card>().resource, {"", card}).status();
  if (!absl::IsNotFound(there)) return there.ok() ? absl::StatusOr<bool>(false) : there;
  XPU_ASSIGN_OR_RETURN(const ResourceList netdevs,
                       deps_.store->List(api::KindOf<api::v1alpha1::Netdev>().resource, network.ns,
                                         {.field_selector = "spec.card=" + card}));
  return std::none_of(netdevs.items.begin(), netdevs.items.end(), [&network](const Resource& netdev) {
    return !IsBeingDeleted(netdev) &&
           netdev.value(nlohmann::json::json_pointer("/spec/network"), "") == network.name;
  });
}

absl::StatusOr<bool> BlockController::Reclaim(const ResourceName& network, const Resource& block) {
  const std::string card = CardOf(block);
  XPU_ASSIGN_OR_RETURN(const bool is_gone, IsGone(network, card));
  if (!is_gone) return false;
  const absl::Status deleted = deps_.store->Delete(Kind(), NameOf(block), {.uid = UidOf(block)});
  // Somebody else has seen to it.
  if (!deleted.ok() && !absl::IsNotFound(deleted) && !absl::IsAborted(deleted)) return deleted;
  spdlog::info("took AddressBlock {} back from card {}, which is gone", NameOf(block).ToString(), card);
  return true;
}

absl::Status BlockController::Ask(const ResourceName& network, const IpPrefix& block,
                                  const IpAddress& address) {
  return deps_.store
      ->Patch(Kind(), {network.ns, BlockName(network.name, block)}, PatchType::kMerge,
              {{"metadata", {{"annotations", {{WantedKey(address), deps_.card}}}}}})
      .status();
}

absl::StatusOr<bool> BlockController::Claim(const ResourceName& network, const std::string& need) {
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
    return ClaimAddress(network, prefixes, *address);
  }
  return ClaimAny(network, prefixes, need == "IPv6" ? IpFamily::kV6 : IpFamily::kV4);
}

absl::StatusOr<bool> BlockController::ClaimAddress(const ResourceName& network,
                                                   const std::vector<IpPrefix>& prefixes,
                                                   const IpAddress& address) {
  const auto prefix =
      std::find_if(prefixes.begin(), prefixes.end(), [&](const IpPrefix& p) { return p.Contains(address); });
  if (prefix == prefixes.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(address.ToString(), " is in no prefix of Network ", network.ToString()));
  }
  const std::vector<IpPrefix> ours = BlocksOf(network);
  if (std::any_of(ours.begin(), ours.end(), [&](const IpPrefix& p) { return p.Contains(address); }))
    return true;
  const IpPrefix around = BlockAround(*prefix, address);
  std::string owner;
  absl::Status took = Take(network, around, &owner);
  if (took.ok()) {
    const std::vector<IpPrefix> now = BlocksOf(network);
    if (std::any_of(now.begin(), now.end(), [&](const IpPrefix& p) { return p.Contains(address); }))
      return true;
    // It was cut out of this card's block: then it is a block by itself.
    took = Take(network, Alone(address), &owner);
    if (took.ok()) return true;
  } else if (!owner.empty() && around != Alone(address)) {
    const absl::Status asked = Ask(network, around, address);
    // Given back at this moment.
    if (absl::IsNotFound(asked)) return absl::UnavailableError("addresses change hands; try again");
    XPU_RETURN_IF_ERROR(asked);
    return false;
  }
  return Annotate(took, absl::StrCat("address ", address.ToString(), ": ask for another one, or for none"));
}

absl::StatusOr<bool> BlockController::ClaimAny(const ResourceName& network,
                                               const std::vector<IpPrefix>& prefixes, IpFamily family) {
  std::map<IpPrefix, Resource> taken;
  XPU_ASSIGN_OR_RETURN(
      const ResourceList listed,
      deps_.store->List(Kind(), network.ns, {.field_selector = "spec.network=" + network.name}));
  for (const Resource& block : listed.items) {
    if (const std::optional<Parsed> parsed = Parse(block)) taken.emplace(parsed->prefix, block);
  }
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
      if (!absl::IsAlreadyExists(took)) return took.ok() ? absl::StatusOr<bool>(true) : took;
    }
  }
  // Those of cards that are gone, each of which is looked for once.
  std::set<std::string> there = {deps_.card};
  for (const auto& [prefix, block] : taken) {
    if (prefix.family() != family || there.contains(CardOf(block))) continue;
    const absl::Status took = Take(network, prefix);
    if (!absl::IsAlreadyExists(took)) return took.ok() ? absl::StatusOr<bool>(true) : took;
    there.insert(CardOf(block));
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "all ", family == IpFamily::kV6 ? "IPv6" : "IPv4", " addresses of Network ", network.ToString(),
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
