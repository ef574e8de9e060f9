// Any bytes as a sequence of OPI's calls, with whatever messages: code and objects are those of the
// reference.
//
// A call is an octet that says which (its bits: 0-1 the kind, 2-3 what to do, 4 allow_missing, 5-7 the
// claim), one for the id, two for the mask, one for the length of the spec, and the spec as it is on the
// wire.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/util/message_differencer.h"
#include "test/component/opi/opi_reference.h"
#include "xpu-agent/services/object_changes.h"
#include "xpu-agent/services/object_kinds.h"

namespace xpu::testing {
namespace {

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  uint8_t Octet() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::string Text(size_t size) {
    size = size < left_ ? size : left_;
    std::string text(reinterpret_cast<const char*>(data_), size);
    data_ += size;
    left_ -= size;
    return text;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

void Expect(bool holds, const char* what, const absl::Status& status, absl::StatusCode wanted) {
  if (holds) return;
  fprintf(stderr, "%s: %s instead of %s\n", what, status.ToString().c_str(),
          absl::StatusCodeToString(wanted).c_str());
  __builtin_trap();
}

absl::Status Lookup(const std::string&) { return absl::OkStatus(); }

class Run {
 public:
  template <typename Kind>
  void Step(const Kind& kind, uint8_t what, Bytes* bytes) {
    using Spec = std::decay_t<decltype(std::declval<typename Kind::Message>().spec())>;
    static const std::vector<std::string> kIds = {"a", "b", "7", "100", "host0-0", "x/y", ""};
    const std::string id = kIds[bytes->Octet() % kIds.size()];
    const std::vector<std::string> mask = Mask<Spec>(bytes);
    typename Kind::Message asked;
    // What is no message never reaches a service.
    if (!asked.mutable_spec()->ParseFromString(bytes->Text(bytes->Octet()))) return;
    // Fields of another version of the API are passed over.
    asked.DiscardUnknownFields();
    const bool allow_missing = (what & 0x10) != 0;
    const RepresentorLookup lookup = Lookup;
    const int64_t claim = std::is_same_v<Kind, BridgePortObjects> ? what >> 5 : 0;
    const Asker asker{.claim = claim, .lookup = lookup};
    absl::Status status;
    absl::StatusCode wanted = absl::StatusCode::kInvalidArgument;
    const AgentState before = state_;
    switch (what >> 2 & 3) {
      case 0:
      case 1: {
        const auto spec = ParseSpec(asked.spec());
        status = spec.ok() ? kind.Create(state_, id, *spec, asker) : spec.status();
        wanted = reference_.Create(id, asked.spec(), claim);
        break;
      }
      case 2: {
        google::protobuf::FieldMask paths;
        for (const std::string& path : mask) paths.add_paths(path);
        status = Kind::Id(id).status();
        if (status.ok()) status = UpdateObject(kind, state_, id, asked, paths, allow_missing, asker);
        wanted = reference_.Update(id, asked.spec(), mask, allow_missing, claim);
        break;
      }
      default:
        status = Kind::Id(id).status();
        if (!status.ok()) break;
        status = DeleteObject(kind, state_, id, allow_missing, asker);
        wanted = reference_.Delete(id, static_cast<const Spec*>(nullptr), claim);
        if (wanted == absl::StatusCode::kNotFound && allow_missing) wanted = absl::StatusCode::kOk;
    }
    Expect(status.code() == wanted, "code", status, wanted);
    Expect(status.ok() || state_ == before, "a refusal changed something", status, wanted);
    Compare<VrfObjects>(status);
    Compare<LogicalBridgeObjects>(status);
    Compare<BridgePortObjects>(status);
    Compare<SviObjects>(status);
  }

 private:
  template <typename Spec>
  static std::vector<std::string> Mask(Bytes* bytes) {
    static const std::vector<std::string>* const kPaths = [] {
      auto* paths = new std::vector<std::string>(OpiReference::KnownPaths<Spec>());
      for (const char* more : {"*", "spec", "name", "status", "spec.color", ""}) paths->push_back(more);
      return paths;
    }();
    std::vector<std::string> mask;
    for (int i = 0; i < 2; ++i) {
      const size_t index = bytes->Octet() % (kPaths->size() + 1);
      if (index < kPaths->size()) mask.push_back((*kPaths)[index]);
    }
    return mask;
  }

  template <typename Kind>
  void Compare(const absl::Status& status) const {
    using Spec = std::decay_t<decltype(std::declval<typename Kind::Message>().spec())>;
    const auto& all = reference_.All(static_cast<const Spec*>(nullptr));
    const auto& objects = state_.model.*Kind::kKind.objects;
    Expect(all.size() == objects.size(), "another number of objects", status, absl::StatusCode::kOk);
    for (const auto& [id, object] : objects) {
      const auto there = all.find(id);
      const bool same = there != all.end() &&
                        google::protobuf::util::MessageDifferencer::Equals(ShowSpec(object), there->second);
      Expect(same, Kind::kKind.name(id).c_str(), status, absl::StatusCode::kOk);
    }
  }

  AgentState state_;
  OpiReference reference_;
};

}  // namespace
}  // namespace xpu::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpu;           // NOLINT
  using namespace xpu::testing;  // NOLINT
  static const auto* const ports =
      new BridgePortObjects{.host_vlans = VlanRanges::Parse("0,100-199").value()};
  Bytes bytes(data, size);
  Run run;
  while (!bytes.empty()) {
    const uint8_t what = bytes.Octet();
    switch (what & 3) {
      case 0:
        run.Step(VrfObjects(), what, &bytes);
        break;
      case 1:
        run.Step(LogicalBridgeObjects(), what, &bytes);
        break;
      case 2:
        run.Step(*ports, what, &bytes);
        break;
      default:
        run.Step(SviObjects(), what, &bytes);
    }
  }
  return 0;
}
