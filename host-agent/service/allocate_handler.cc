#include "host-agent/service/allocate_handler.h"

#include <memory>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// What the claimed container sees of it: the ids of its functions, with commas between.
constexpr char kEnvironment[] = "XPU_FUNCTIONS";

absl::StatusOr<std::set<FunctionId>> ReadFunctions(const std::vector<std::string>& texts,
                                                   Inventory& inventory) {
  std::set<FunctionId> functions;
  for (const std::string& text : texts) {
    XPU_ASSIGN_OR_RETURN(const FunctionId function, inventory.Resolve(text));
    XPU_RETURN_IF_ERROR(inventory.CheckGivable(function));
    functions.insert(function);
  }
  if (functions.empty()) return absl::InvalidArgumentError("no function is asked for; give its id");
  return functions;
}

}  // namespace

// One request while its functions are claimed, each in its own turn.
class AllocateHandler::Call : public std::enable_shared_from_this<Call> {
 public:
  Call(AllocateHandler& handler, std::set<FunctionId> functions, Done done)
      : handler_(handler),
        functions_(std::move(functions)),
        done_(std::move(done)),
        left_(functions_.size()) {}

  void Start() {
    for (const FunctionId& function : functions_) {
      handler_.executor_.Run(function, [self = shared_from_this(), function] { self->Claim(function); });
    }
  }

 private:
  void Claim(const FunctionId& function) {
    bool begun = false;
    const absl::StatusOr<ClaimRow> row = ClaimUnheld(function, &begun);
    bool last;
    absl::Status status;
    {
      absl::MutexLock lock(&mu_);
      status_.Update(row.status());
      if (row.ok()) claims_.push_back({function, row->claim, begun});
      last = --left_ == 0;
      status = status_;
    }
    if (last) Finish(status);
  }

  // Refused if a pod has it by the kubelet's word, whatever the journal says.
  absl::StatusOr<ClaimRow> ClaimUnheld(const FunctionId& function, bool* begun) {
    if (handler_.pods_ != nullptr) XPU_RETURN_IF_ERROR(handler_.pods_->Allocating(function));
    return handler_.attacher_.Claim(function, begun);
  }

  void Finish(const absl::Status& status) {
    {
      absl::MutexLock lock(&mu_);
      for (const Claimed& claimed : claims_) {
        if (handler_.pods_ != nullptr) handler_.pods_->Allocated(claimed.function, claimed.claim);
      }
    }
    if (!status.ok()) {
      // Nobody waits for this: the next claim of the function has its turn after it.
      absl::MutexLock lock(&mu_);
      for (const auto& [function, claim, begun] : claims_) {
        if (!begun) continue;
        handler_.executor_.Run(function,
                               [&attacher = handler_.attacher_, function = function, claim = claim] {
                                 attacher.Unclaim(function, claim).IgnoreError();
                               });
      }
      done_(status);
      return;
    }
    const std::string list = absl::StrJoin(functions_, ",", [](std::string* out, const FunctionId& function) {
      out->append(function.ToString());
    });
    done_(std::map<std::string, std::string>{{kEnvironment, list}});
  }

  AllocateHandler& handler_;
  const std::set<FunctionId> functions_;
  const Done done_;
  absl::Mutex mu_;
  size_t left_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  struct Claimed {
    FunctionId function;
    int64_t claim = 0;
    // By this call.
    bool begun = false;
  };
  std::vector<Claimed> claims_ ABSL_GUARDED_BY(mu_);
};

void AllocateHandler::Allocate(const std::vector<std::string>& texts, Done done) {
  absl::StatusOr<std::set<FunctionId>> functions = ReadFunctions(texts, inventory_);
  if (!functions.ok()) {
    done(functions.status());
    return;
  }
  std::make_shared<Call>(*this, *std::move(functions), std::move(done))->Start();
}

}  // namespace xpu
