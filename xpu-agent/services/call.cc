#include "xpu-agent/services/call.h"

#include <algorithm>
#include <chrono>

#include "absl/random/random.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/rpc/rpc.h"

namespace xpu {

absl::Duration PatienceOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteDuration();
  absl::Duration left = absl::FromChrono(deadline) - absl::Now();
  // The answer has a way to go too.
  left -= std::min(left / 10, absl::Milliseconds(100));
  return std::max(left, absl::ZeroDuration());
}

absl::StatusOr<int64_t> ClaimOf(const grpc::CallbackServerContext& context) {
  auto [begin, end] = context.client_metadata().equal_range("xpu-claim");
  if (begin == end) return 0;
  absl::string_view text(begin->second.data(), begin->second.size());
  int64_t claim = 0;
  if (std::next(begin) != end || !absl::SimpleAtoi(text, &claim) || claim < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata xpu-claim: \"", text, "\" is not one number that counts up from 1"));
  }
  return claim;
}

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

std::string RandomId() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", random(), random());
}

}  // namespace xpu
