// Package spelling finds the word that somebody meant.
//
// It is for "did you mean" beside an unknown key: it knows nothing of what the words are.
// Its work grows with the number of known words; who has many of them says how many
// comparisons are worth a hint.
//
// It also says which texts differ and look the same ([Alike]), by Unicode forms and by the letters
// of other scripts that are like Latin ones in most fonts; not all that Unicode lists.
package spelling
