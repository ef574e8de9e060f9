#include "test/e2e/demo_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace xpu::testing {

void DemoReport::Heading(const std::string& text) { print_(absl::StrCat("\n", text, "\n")); }

void DemoReport::BeginStep(const std::string& what) { print_(absl::StrFormat("  %-66s ", what)); }

void DemoReport::EndStep(absl::Duration took) {
  print_(absl::StrFormat("ok %7.0f ms\n", absl::ToDoubleMilliseconds(took)));
}

absl::Status DemoReport::Step(const std::string& what, const std::function<absl::Status()>& work) {
  BeginStep(what);
  const absl::Time start = absl::Now();
  absl::Status status = work();
  if (status.ok()) {
    EndStep(absl::Now() - start);
  } else {
    print_(absl::StrCat("FAILED\n    ", status.message(), "\n"));
  }
  return status;
}

absl::Status DemoReport::Check(const std::string& claim, bool expected,
                               const std::function<absl::StatusOr<bool>()>& see) {
  BeginStep(claim);
  const absl::Time start = absl::Now();
  const absl::StatusOr<bool> seen = see();
  const bool held = seen.ok() && *seen == expected;
  const std::string outcome = !seen.ok()          ? std::string(seen.status().message())
                              : *seen == expected ? "holds"
                                                  : "DOES NOT HOLD";
  checks_.push_back({claim, outcome, held});
  if (held) {
    EndStep(absl::Now() - start);
  } else {
    print_(absl::StrCat("FAILED\n    ", outcome, "\n"));
  }
  return seen.status();
}

void DemoReport::Count(const std::string& what, size_t before, size_t during, size_t after) {
  counts_.push_back({what, before, during, after});
}

bool DemoReport::Close() {
  bool all = !checks_.empty();
  print_(absl::StrFormat("\n%-68s %s\n", "WHAT", "SEEN"));
  for (const CheckRow& row : checks_) {
    print_(absl::StrFormat("%-68s %s\n", row.claim, row.outcome));
    all &= row.held;
  }
  if (!counts_.empty())
    print_(absl::StrFormat("\n%-36s %8s %10s %8s\n", "LEFT BEHIND", "BEFORE", "WITH PODS", "AFTER"));
  for (const CountRow& row : counts_) {
    const bool back = row.before == row.after;
    print_(absl::StrFormat("%-36s %8d %10d %8d%s\n", row.what, row.before, row.during, row.after,
                           back ? "" : "  LEFT BEHIND"));
    all &= back;
  }
  print_(all ? "\nEverything holds.\n" : "\nSomething DOES NOT HOLD; see above.\n");
  return all;
}

}  // namespace xpu::testing
