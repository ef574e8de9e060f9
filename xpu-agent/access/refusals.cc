#include "xpu-agent/access/refusals.h"

#include "spdlog/spdlog.h"

namespace xpu {
namespace {

constexpr absl::Duration kBetweenLines = absl::Seconds(10);
constexpr char kOthers[] = "others";

}  // namespace

absl::string_view RefusalWord(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kStranger:
      return "stranger";
    case RefusalReason::kOtherCard:
      return "other-card";
    case RefusalReason::kNotAHosts:
      return "not-a-hosts";
    case RefusalReason::kNotItsOwn:
      return "not-its-own";
    case RefusalReason::kFlood:
      return "flood";
    case RefusalReason::kHandshake:
      return "handshake";
  }
  return "";
}

void Refusals::Count(const std::string& identity, RefusalReason reason, absl::string_view call) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mu_);
  const bool known = tallies_.contains({identity, reason}) || tallies_.size() < kMaxTallies;
  const std::string counted_as = known ? identity : kOthers;
  Tally& tally = tallies_[{counted_as, reason}];
  Entry& entry = tally.entry;
  entry.identity = counted_as;
  entry.reason = reason;
  entry.count++;
  entry.last = now;
  entry.call = std::string(call);
  if (tally.logged_count > 0 && now - tally.logged < kBetweenLines) return;
  spdlog::warn("refused {} call(s) of {}, {} in all ({}); the last was {}", entry.count - tally.logged_count,
               counted_as, entry.count, std::string(RefusalWord(reason)), entry.call);
  tally.logged = now;
  tally.logged_count = entry.count;
}

std::vector<Refusals::Entry> Refusals::List() const {
  absl::MutexLock lock(&mu_);
  std::vector<Entry> list;
  for (const auto& [key, tally] : tallies_) list.push_back(tally.entry);
  return list;
}

}  // namespace xpu
