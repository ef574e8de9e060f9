#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "common/rpc/rpc.h"
#include "google/protobuf/field_mask.pb.h"
#include "grpcpp/support/server_callback.h"
#include "xpu-agent/core/kinds.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/services/call.h"
#include "xpu-agent/services/opi_convert.h"
#include "xpu-agent/services/paging.h"
#include "xpu-agent/services/update_mask.h"

namespace xpu {

// What a change of an object is asked with, beside the object.
struct Asker {
  // Of metadata "xpu-claim"; 0: none.
  int64_t claim = 0;
  const RepresentorLookup& lookup;
  const grpc::CallbackServerContext& context;
};

// The five calls of one kind of OPI object, which differ by `Traits` alone:
//   Object, Message     of the model and of OPI
//   kKind               in xpu-agent/core/kinds.h
//   kField              how requests call the object
//   Id(name)            the id in a name of any dialect
//   Names(message*)     the fields that hold names, its own first
//   Create, Update(state, id, spec, asker), Delete(state, id, asker)
// All but these three are static.
//
// Names in an answer are written in the dialect of the request: that of its object's name, or, if it has none,
// of its first reference. A request with neither, one with ids alone, and a list are answered in the API's own.
template <typename Traits>
class ObjectCalls {
 public:
  using Object = typename Traits::Object;
  using Message = typename Traits::Message;

  explicit ObjectCalls(ModelOwner& owner, Traits traits = Traits())
      : owner_(owner), traits_(std::move(traits)) {}

  // `id` may be empty; some clients put it into the name. With neither, one is made up.
  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext* context, std::string id, const Message& asked,
                                   Message* answer) {
    if (id.empty() && !asked.name().empty()) {
      absl::StatusOr<std::string> named = Traits::Id(asked.name());
      if (!named.ok()) return Refuse(context, Annotate(named.status(), NameField()));
      id = *std::move(named);
    }
    if (id.empty()) id = RandomId();
    auto spec = ParseSpec(asked.spec());
    if (!spec.ok()) return Refuse(context, spec.status());
    return Change(context, id, DialectOfRequest(asked), answer,
                  [this, id, spec = *std::move(spec)](AgentState& draft, const Asker& asker) {
                    return traits_.Create(draft, id, spec, asker);
                  });
  }

  // An object that is not there is made of the whole spec, whatever the mask says, if `allow_missing`
  // (AIP-134). `asked` and `mask` live until the answer.
  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* context, const Message& asked,
                                   const google::protobuf::FieldMask& mask, bool allow_missing,
                                   Message* answer) {
    absl::StatusOr<std::string> id = Traits::Id(asked.name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), NameField()));
    return Change(context, *id, DialectOfRequest(asked), answer,
                  [this, id = *id, &asked, &mask, allow_missing](AgentState& draft,
                                                                 const Asker& asker) -> absl::Status {
                    const auto& objects = draft.model.*Traits::kKind.objects;
                    const auto it = objects.find(id);
                    Message updated;
                    if (it != objects.end()) *updated.mutable_spec() = ShowSpec(it->second);
                    XPU_RETURN_IF_ERROR(ApplyUpdateMask(mask, asked, &updated));
                    if (it == objects.end()) {
                      if (!allow_missing) return NotThere(id);
                      XPU_ASSIGN_OR_RETURN(auto spec, ParseSpec(asked.spec()));
                      return traits_.Create(draft, id, spec, asker);
                    }
                    XPU_ASSIGN_OR_RETURN(auto spec, ParseSpec(updated.spec()));
                    return traits_.Update(draft, id, spec, asker);
                  });
  }

  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context, const std::string& name,
                                   bool allow_missing) {
    absl::StatusOr<std::string> id = Traits::Id(name);
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "name"));
    return Submit(
        context, *id,
        [this, id = *id, allow_missing](AgentState& draft, const Asker& asker) {
          absl::Status status = traits_.Delete(draft, id, asker);
          return allow_missing && absl::IsNotFound(status) ? absl::OkStatus() : status;
        },
        [](const ModelView&) { return grpc::Status::OK; });
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const std::string& name,
                                Message* answer) {
    absl::StatusOr<std::string> id = Traits::Id(name);
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "name"));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([id = *id, dialect = DialectOf(name), reactor, answer](const ModelView& view) {
      reactor->Finish(Fill(view, id, dialect, answer));
    });
    return reactor;
  }

  // `add` gives the place for one more object in the answer.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context, const Request& request,
                                 Response* answer, Message* (Response::*add)()) {
    absl::StatusOr<PageRequest> page =
        ParsePage(Traits::kKind.name(""), request.page_size(), request.page_token());
    if (!page.ok()) return Refuse(context, page.status());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([page = *page, reactor, answer, add](const ModelView& view) {
      answer->set_next_page_token(
          ListPage(Traits::kKind.name(""), view.state().model.*Traits::kKind.objects, page,
                   [&](const Object& object) { *(answer->*add)() = Show(object, view); }));
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  using ChangeState = std::function<absl::Status(AgentState& draft, const Asker& asker)>;
  using AnswerCall = std::function<grpc::Status(const ModelView& view)>;

  static std::string NameField() { return absl::StrCat(Traits::kField, ".name"); }
  static absl::Status NotThere(const std::string& id) {
    return absl::NotFoundError(absl::StrCat("there is no ", Traits::kKind.name(id)));
  }

  static NameDialect DialectOfRequest(const Message& asked) {
    Message copy = asked;
    for (const std::string* name : Traits::Names(&copy)) {
      if (!name->empty()) return DialectOf(*name);
    }
    return NameDialect::kApi;
  }

  // The object in `view`, or why it is not there.
  static grpc::Status Fill(const ModelView& view, const std::string& id, NameDialect dialect,
                           Message* answer) {
    const auto& objects = view.state().model.*Traits::kKind.objects;
    const auto it = objects.find(id);
    if (it == objects.end()) return ToGrpc(NotThere(id));
    *answer = Show(it->second, view);
    for (std::string* name : Traits::Names(answer)) *name = InDialect(*name, dialect);
    return grpc::Status::OK;
  }

  // Changes the object and answers with it.
  grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context, const std::string& id,
                                   NameDialect dialect, Message* answer, ChangeState change) {
    return Submit(context, id, std::move(change),
                  [id, dialect, answer](const ModelView& view) { return Fill(view, id, dialect, answer); });
  }

  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context, const std::string& id,
                                   ChangeState change, AnswerCall answer) {
    absl::StatusOr<int64_t> claim = ClaimOf(*context);
    if (!claim.ok()) return Refuse(context, claim.status());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Submit(
        {.change =
             [change = std::move(change), claim = *claim, context](AgentState& draft,
                                                                   const RepresentorLookup& lookup) {
               return change(draft, {.claim = claim, .lookup = lookup, .context = *context});
             },
         .objects = {Traits::kKind.name(id)},
         .patience = PatienceOf(*context),
         .done =
             [reactor, answer = std::move(answer)](const absl::Status& status, const ModelView& view) {
               reactor->Finish(status.ok() ? answer(view) : ToGrpc(status));
             }});
    return reactor;
  }

  ModelOwner& owner_;
  const Traits traits_;
};

}  // namespace xpu
