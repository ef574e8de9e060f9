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
#include "xpu-agent/services/object_changes.h"
#include "xpu-agent/services/object_kinds.h"
#include "xpu-agent/services/opi_convert.h"
#include "xpu-agent/services/paging.h"

namespace xpu {

// The five calls of one kind of OPI object, of those in object_kinds.h.
//
// Names in an answer are written in the dialect of the request: that of its object's name, or, if it has
// none, of its first reference. A request with neither, one with ids alone, and a list are answered in the
// API's own.
template <typename Kind>
class ObjectCalls {
 public:
  using Object = typename Kind::Object;
  using Message = typename Kind::Message;

  explicit ObjectCalls(ModelOwner& owner, Kind kind = Kind()) : owner_(owner), kind_(std::move(kind)) {}

  // With no id anywhere one is made up.
  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext* context, const std::string& asked_id,
                                   const Message& asked, Message* answer) {
    absl::StatusOr<std::string> id = AskedId<Kind>(asked_id, asked);
    if (!id.ok()) return Refuse(context, id.status());
    if (id->empty()) id = RandomId();
    auto spec = ParseSpec(asked.spec());
    if (!spec.ok()) return Refuse(context, spec.status());
    return Change(context, *id, DialectOfRequest(asked), answer,
                  [this, id = *id, spec = *std::move(spec)](AgentState& draft, const Asker& asker) {
                    return kind_.Create(draft, id, spec, asker);
                  });
  }

  // `asked` and `mask` live until the answer.
  grpc::ServerUnaryReactor* Update(grpc::CallbackServerContext* context, const Message& asked,
                                   const google::protobuf::FieldMask& mask, bool allow_missing,
                                   Message* answer) {
    absl::StatusOr<std::string> id = Kind::Id(asked.name());
    if (!id.ok()) return Refuse(context, Annotate(id.status(), absl::StrCat(Kind::kField, ".name")));
    return Change(context, *id, DialectOfRequest(asked), answer,
                  [this, id = *id, &asked, &mask, allow_missing](AgentState& draft, const Asker& asker) {
                    return UpdateObject(kind_, draft, id, asked, mask, allow_missing, asker);
                  });
  }

  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context, const std::string& name,
                                   bool allow_missing) {
    absl::StatusOr<std::string> id = Kind::Id(name);
    if (!id.ok()) return Refuse(context, Annotate(id.status(), "name"));
    return Submit(
        context, *id,
        [this, id = *id, allow_missing](AgentState& draft, const Asker& asker) {
          return DeleteObject(kind_, draft, id, allow_missing, asker);
        },
        [](const ModelView&) { return grpc::Status::OK; });
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const std::string& name,
                                Message* answer) {
    absl::StatusOr<std::string> id = Kind::Id(name);
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
        ParsePage(Kind::kKind.name(""), request.page_size(), request.page_token());
    if (!page.ok()) return Refuse(context, page.status());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    owner_.Read([page = *page, reactor, answer, add](const ModelView& view) {
      answer->set_next_page_token(
          ListPage(Kind::kKind.name(""), view.state().model.*Kind::kKind.objects, page,
                   [&](const Object& object) { *(answer->*add)() = Show(object, view); }));
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  using ChangeState = std::function<absl::Status(AgentState& draft, const Asker& asker)>;
  using AnswerCall = std::function<grpc::Status(const ModelView& view)>;

  static NameDialect DialectOfRequest(const Message& asked) {
    Message copy = asked;
    for (const std::string* name : Kind::Names(&copy)) {
      if (!name->empty()) return DialectOf(*name);
    }
    return NameDialect::kApi;
  }

  // The object in `view`, or why it is not there.
  static grpc::Status Fill(const ModelView& view, const std::string& id, NameDialect dialect,
                           Message* answer) {
    const auto& objects = view.state().model.*Kind::kKind.objects;
    const auto it = objects.find(id);
    if (it == objects.end()) return ToGrpc(NoSuchObject<Kind>(id));
    *answer = Show(it->second, view);
    for (std::string* name : Kind::Names(answer)) *name = InDialect(*name, dialect);
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
               return change(draft, {.claim = claim, .lookup = lookup, .context = context});
             },
         .objects = {Kind::kKind.name(id)},
         .patience = PatienceOf(*context),
         .done =
             [reactor, answer = std::move(answer)](const absl::Status& status, const ModelView& view) {
               reactor->Finish(status.ok() ? answer(view) : ToGrpc(status));
             }});
    return reactor;
  }

  ModelOwner& owner_;
  const Kind kind_;
};

}  // namespace xpu
