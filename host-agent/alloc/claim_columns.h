#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/sqlite/database.h"
#include "host-agent/alloc/journal.h"

namespace xpu {

// How a row of the journal stands in the columns of its table, a checksum of all others in the last of them.

// In milliseconds since 1970: the year 33658. No claim has a higher number.
constexpr int64_t kMaxClaim = 1'000'000'000'000'000;

// The names of the columns, in the order of the functions below: "function, claim, …".
absl::string_view ClaimColumns();
// As many parameters, "?1, ?2, …": the first is the function, the second the claim.
std::string ClaimParameters();

// Binds the parameters of a statement that has ClaimParameters().
void BindClaim(Statement& statement, const ClaimRow& row);
// The row that a statement stands at, which selects ClaimColumns(). InvalidArgument if what it holds is none.
absl::StatusOr<ClaimRow> ReadClaim(const Statement& statement);

}  // namespace xpu
