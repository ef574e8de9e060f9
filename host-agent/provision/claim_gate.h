#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "host-agent/alloc/journal.h"

namespace xpu {

// The journal, except that it starts no claim of a function while that is being changed (made, taken away,
// given another driver). So who changes functions closes the gate on them, then asks whose they are, and can
// rely on the answer until the gate is open again.
//
// Safe from any thread.
class ClaimGate final : public Journal {
 public:
  // `journal` is not owned.
  explicit ClaimGate(Journal& journal) : journal_(journal) {}

  // While it lives, Begin of these functions is FailedPrecondition.
  class Closed {
   public:
    ~Closed();
    Closed(const Closed&) = delete;
    Closed& operator=(const Closed&) = delete;

   private:
    friend class ClaimGate;
    Closed(ClaimGate& gate, std::set<FunctionId> functions) : gate_(gate), functions_(std::move(functions)) {}
    ClaimGate& gate_;
    const std::set<FunctionId> functions_;
  };
  // `why` is for whoever is refused, e.g. "its driver is being changed". The gate must not be closed on any
  // of them already.
  [[nodiscard]] std::unique_ptr<Closed> Close(std::set<FunctionId> functions, const std::string& why);

  absl::StatusOr<std::vector<ClaimRow>> Load() override { return journal_.Load(); }
  absl::StatusOr<ClaimRow> Begin(const ClaimRow& row) override;
  absl::Status Write(const ClaimRow& row) override { return journal_.Write(row); }
  absl::Status End(const FunctionId& function, int64_t claim) override {
    return journal_.End(function, claim);
  }

 private:
  Journal& journal_;
  absl::Mutex mu_;
  std::map<FunctionId, std::string> closed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
