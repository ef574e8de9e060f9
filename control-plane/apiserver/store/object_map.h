#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "control-plane/apiserver/store/event.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// How objects are written: in one line, what is no UTF-8 replaced.
std::string ObjectText(const nlohmann::json& object);
// The other way round. DataLoss for what is no object.
absl::StatusOr<ObjectPtr> ReadObjectText(const std::string& text);
// The uids that metadata.ownerReferences names; none of null.
std::set<std::string> OwnersOf(const ObjectPtr& object);

// The objects as they are, in memory, each as it is written; those that were in use of late also as they are
// read, which takes some times as much. The changes of late can be taken back. Knows no rules. Not
// thread-safe.
class ObjectMap {
 public:
  struct Key {
    std::string collection;
    std::string ns;
    std::string name;
    friend auto operator<=>(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.collection, key.ns, key.name);
    }
  };

  // So much, as it is written, is also kept as it is read.
  explicit ObjectMap(size_t recent_bytes = size_t{8} << 20) : most_recent_bytes_(recent_bytes) {}

  // As it is in the file, which may say more than once how one is, and in the end that it is not there;
  // nothing takes it back. Then who owns it.
  void Load(const Key& key, std::optional<std::string> text);
  void LoadOwner(Key key, const std::string& uid);

  // Null if it is not there.
  absl::StatusOr<ObjectPtr> Read(absl::string_view collection, absl::string_view ns, absl::string_view name);
  // As it is written, until the map changes; null if it is not there.
  absl::StatusOr<const std::string*> Text(absl::string_view collection, absl::string_view ns,
                                          absl::string_view name);
  // The objects behind `after_ns` and `after_name` (both empty: from the first) in the order of namespace and
  // name; an empty `ns` means all. Until `row` says false or an error. `row` must not change the map.
  absl::Status Scan(const std::string& collection, const std::string& ns, const std::string& after_ns,
                    const std::string& after_name,
                    absl::FunctionRef<absl::StatusOr<bool>(const ObjectPtr&)> row) const;
  // Of everything in a namespace, in a collection, and of what names `uid` as its owner; in their order.
  std::vector<Key> KeysIn(const std::string& ns) const;
  std::vector<Key> KeysOf(const std::string& collection) const;
  std::vector<Key> DependentsOf(const std::string& uid) const;
  // Of all objects as they are written.
  size_t bytes() const { return bytes_; }

  struct Applied {
    // How the object was written before; empty if it was not there.
    std::string before;
    // It names owners, or did.
    bool has_owners = false;
  };
  // Versions grow from change to change.
  Applied Apply(const Change& change);
  // Takes back all changes behind that version, the last first.
  void Revert(int64_t version);
  // The changes up to that version stay.
  void Settle(int64_t version);

 private:
  using Name = std::pair<std::string, std::string>;
  // Also by names that are no strings yet.
  struct NameLess {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      const int order = absl::string_view(a.first).compare(absl::string_view(b.first));
      return order != 0 ? order < 0 : absl::string_view(a.second) < absl::string_view(b.second);
    }
  };
  struct Stored {
    std::string text;
    std::set<std::string> owners;
    // Null if it has not been in use for long.
    ObjectPtr object;
    // Its place in `recent_`, if it has an object.
    std::list<Stored*>::iterator place = {};
    // The text is known to be an object's: what is in the file may have been damaged.
    bool is_sound = false;
  };
  using Collection = std::map<Name, Stored, NameLess>;
  struct Undo {
    int64_t version = 0;
    Key key;
    std::optional<Stored> before;
  };

  // Null if it is not there.
  Stored* Find(absl::string_view collection, absl::string_view ns, absl::string_view name);
  // Puts it there, or nothing; returns what was there.
  std::optional<Stored> Exchange(const Key& key, std::optional<Stored> next);
  // It was used.
  void Keep(Stored& stored, ObjectPtr object);
  void Drop(Stored& stored);

  std::map<std::string, Collection, std::less<>> collections_;
  std::map<std::string, std::set<Key>> dependents_;
  size_t bytes_ = 0;
  // What has objects, by when it was in use, the latest first; and how much of that there is.
  size_t most_recent_bytes_;
  std::list<Stored*> recent_;
  size_t recent_bytes_ = 0;
  std::deque<Undo> undo_;
};

}  // namespace xpu::apiserver
