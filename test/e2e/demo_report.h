#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace xpu::testing {

// What the demo prints: a line for each step while it runs, and a closing table of what was claimed and seen.
class DemoReport {
 public:
  // `print` gets pieces of text in order, to be shown at once.
  explicit DemoReport(std::function<void(const std::string&)> print) : print_(std::move(print)) {}

  void Heading(const std::string& text);
  // One step that takes its time, for callers that know its begin and end apart.
  void BeginStep(const std::string& what);
  void EndStep(absl::Duration took);
  // Runs `work` as a step; a failure is printed and given back.
  absl::Status Step(const std::string& what, const std::function<absl::Status()>& work);
  // Runs `see` as a step that must give `expected` for `claim` to hold (a claim that something does not work
  // expects false); the outcome goes into the closing table. An error counts as a failed check and is given
  // back.
  absl::Status Check(const std::string& claim, bool expected,
                     const std::function<absl::StatusOr<bool>()>& see);
  // A row of the second table: how many there were before the pods, with them, and after them.
  void Count(const std::string& what, size_t before, size_t during, size_t after);

  // Prints the tables; true if every check held and every count is back to what it was.
  bool Close();

 private:
  struct CheckRow {
    std::string claim, outcome;
    bool held;
  };
  struct CountRow {
    std::string what;
    size_t before, during, after;
  };
  std::function<void(const std::string&)> print_;
  std::vector<CheckRow> checks_;
  std::vector<CountRow> counts_;
};

}  // namespace xpu::testing
